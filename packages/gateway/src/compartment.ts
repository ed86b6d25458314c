import type { JsonObject } from '@lockstep/fhir';
import { isObject, localReference, valuesAt } from '@lockstep/fhir/parts';
import { textOf } from '@lockstep/fhircast';

const OWNERS: Readonly<Record<string, string>> = {
  subject: `Account AdverseEvent Basic CarePlan CareTeam ChargeItem ClinicalImpression Communication CommunicationRequest
    Composition Condition DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference Encounter Flag
    Goal ImagingStudy Invoice List MeasureReport Media MedicationAdministration MedicationDispense MedicationRequest
    MedicationStatement Observation Procedure QuestionnaireResponse RequestGroup RiskAssessment ServiceRequest Specimen`,
  patient: `AllergyIntolerance BodyStructure Claim ClaimResponse Consent CoverageEligibilityRequest
    CoverageEligibilityResponse DetectedIssue EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Immunization
    ImmunizationEvaluation ImmunizationRecommendation MolecularSequence NutritionOrder RelatedPerson SupplyDelivery
    VisionPrescription`,
  beneficiary: 'Coverage',
  for: 'Task',
  individual: 'ResearchSubject',
  target: 'Provenance',
};

/** The element that says whose a resource is, by type. Narrower than R4's compartment: each resource has one patient, or none. */
const OWNER: ReadonlyMap<string, string> = new Map(
  Object.entries(OWNERS).flatMap(([element, types]) => types.split(/\s+/).map((type) => [type, element] as const)),
);

/** Types that hold no patient's data: a `patient/` scope reads them, and changes none. */
const SHARED: ReadonlySet<string> = new Set(
  `CodeSystem Endpoint HealthcareService Location Medication MedicationKnowledge Organization OrganizationAffiliation
  Practitioner PractitionerRole Questionnaire Substance ValueSet`.split(/\s+/),
);

/** Whether resources of the type belong to patients. */
export function hasOwner(type: string): boolean {
  return type === 'Patient' || OWNER.has(type);
}

/** The element of the type that names the patient; undefined for Patient, and for types that belong to none. */
export function ownerElement(type: string): string | undefined {
  return OWNER.get(type);
}

export function isShared(type: string): boolean {
  return SHARED.has(type);
}

/** Search parameters that are not called as the element is (R4, the types' search parameters). */
const SEARCHED_AS: Readonly<Record<string, string>> = { for: 'subject' };

/** Search parameters with which one patient's resources of the type are found, and their value, the usual ones first. */
export function patientSearches(type: string, patient: string): readonly (readonly [name: string, value: string])[] {
  if (type === 'Patient') return [['_id', patient]];
  const element = OWNER.get(type) ?? 'patient';
  return [
    ['patient', patient],
    [SEARCHED_AS[element] ?? element, `Patient/${patient}`],
  ];
}

/** What a server could read as a patient, in whatever form: of another server, by a search, with a slash before or behind. */
const PATIENT = /(^|\/)Patient[/?]/i;

/** The id of the one patient whose resource it is; undefined where it belongs to no patient, or to several. */
export function patientOf(resource: JsonObject, baseUrl: string): string | undefined {
  const type = textOf(resource.resourceType);
  if (type === 'Patient') return typeof resource.id === 'string' ? resource.id : undefined;
  const element = OWNER.get(type);
  if (element === undefined) return undefined;
  let patient: string | undefined;
  for (const value of valuesAt(resource, element)) {
    const reference = isObject(value) && typeof value.reference === 'string' ? value.reference : '';
    const key = localReference(reference, baseUrl);
    if (key === undefined && PATIENT.test(reference)) return undefined;
    if (key?.type !== 'Patient') continue;
    if (patient !== undefined && patient !== key.id) return undefined;
    patient = key.id;
  }
  return patient;
}
