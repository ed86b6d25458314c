/** The resource types of FHIR R4 (hl7.org/fhir/R4/resourcelist.html). */
const R4 = `Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary
BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem
ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest
CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement
DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest
EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization
ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List Location
Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge MedicationRequest
MedicationStatement MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication
MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader
MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition OperationOutcome
Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition
Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup
ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule
SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription Substance
SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport TestScript ValueSet
VerificationResult VisionPrescription`;

/** Types that FHIR R4B and R5 added; IHE IRA shares R5's ImagingSelection through an R4 Hub. */
const LATER = `ActorDefinition AdministrableProductDefinition ArtifactAssessment BiologicallyDerivedProductDispense Citation
ClinicalUseDefinition ConditionDefinition DeviceAssociation DeviceDispense DeviceUsage EncounterHistory EvidenceReport
FormularyItem GenomicStudy ImagingSelection Ingredient InventoryItem InventoryReport ManufacturedItemDefinition
MedicinalProductDefinition NutritionIntake NutritionProduct PackagedProductDefinition Permission RegulatedAuthorization
RequestOrchestration Requirements SubscriptionStatus SubscriptionTopic SubstanceDefinition TestPlan Transport`;

/** R4's resource types, alphabetically. */
export const R4_RESOURCE_TYPES: readonly string[] = R4.split(/\s+/);

const SPELLING: ReadonlyMap<string, string> = new Map(
  [...R4_RESOURCE_TYPES, ...LATER.split(/\s+/)].map((type) => [type.toLowerCase(), type]),
);

const SPELT: ReadonlySet<string> = new Set(SPELLING.values());

/**
 * The resource type in FHIR's spelling, whatever the case it is given in.
 * @returns undefined when FHIR has no such type
 */
export function resourceTypeSpelling(type: string): string | undefined {
  return SPELLING.get(type.toLowerCase());
}

/** Whether FHIR has this resource type, spelt exactly so. */
export function isResourceType(type: string): boolean {
  return SPELT.has(type);
}
