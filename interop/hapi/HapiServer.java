import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.annotation.OptionalParam;
import ca.uhn.fhir.rest.annotation.Search;
import ca.uhn.fhir.rest.param.ReferenceAndListParam;
import ca.uhn.fhir.rest.param.ReferenceParam;
import ca.uhn.fhir.rest.param.StringAndListParam;
import ca.uhn.fhir.rest.param.StringParam;
import ca.uhn.fhir.rest.param.TokenAndListParam;
import ca.uhn.fhir.rest.param.TokenParam;
import ca.uhn.fhir.rest.server.FifoMemoryPagingProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.HashMapResourceProvider;
import java.util.List;
import java.util.Objects;
import java.util.function.BiPredicate;
import java.util.stream.Collectors;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Coding;
import org.hl7.fhir.r4.model.HumanName;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.Patient;

/** HAPI FHIR's plain server with patients and observations in memory, on a port of its own: prints its base URL, ends with stdin. */
public final class HapiServer {

  private HapiServer() {}

  /** Whether one value of every repetition of a parameter matches: FHIR's "and" of "or". */
  private static <P, T> boolean all(List<List<P>> wanted, T resource, BiPredicate<T, P> matches) {
    return wanted.stream().allMatch(any -> any.stream().anyMatch(one -> matches.test(resource, one)));
  }

  private static List<List<TokenParam>> tokens(TokenAndListParam param) {
    return param == null
        ? List.of()
        : param.getValuesAsQueryTokens().stream().map(or -> List.copyOf(or.getValuesAsQueryTokens())).toList();
  }

  private static boolean hasCode(List<Coding> codings, TokenParam wanted) {
    return codings.stream()
        .anyMatch(
            coding ->
                wanted.getValue().equals(coding.getCode())
                    && (wanted.getSystem() == null || wanted.getSystem().equals(coding.getSystem())));
  }

  public static final class Patients extends HashMapResourceProvider<Patient> {
    Patients(FhirContext context) {
      super(context, Patient.class);
    }

    @Search
    public List<IBaseResource> find(
        @OptionalParam(name = "_id") TokenAndListParam id, @OptionalParam(name = "name") StringAndListParam name) {
      List<List<StringParam>> names =
          name == null
              ? List.of()
              : name.getValuesAsQueryTokens().stream().map(or -> List.copyOf(or.getValuesAsQueryTokens())).toList();
      return getStoredResources().stream()
          // Deleted ones leave a gap.
          .filter(Objects::nonNull)
          .filter(patient -> all(tokens(id), patient, (one, wanted) -> wanted.getValue().equals(one.getIdElement().getIdPart())))
          .filter(patient -> all(names, patient, Patients::isNamed))
          .collect(Collectors.toList());
    }

    private static boolean isNamed(Patient patient, StringParam wanted) {
      String start = wanted.getValue().toLowerCase();
      return patient.getName().stream()
          .map(HumanName::getFamily)
          .anyMatch(family -> family != null && family.toLowerCase().startsWith(start));
    }
  }

  public static final class Observations extends HashMapResourceProvider<Observation> {
    Observations(FhirContext context) {
      super(context, Observation.class);
    }

    @Search
    public List<IBaseResource> find(
        @OptionalParam(name = "_id") TokenAndListParam id,
        @OptionalParam(name = "patient") ReferenceAndListParam patient,
        @OptionalParam(name = "code") TokenAndListParam code,
        @OptionalParam(name = "category") TokenAndListParam category) {
      List<List<ReferenceParam>> patients =
          patient == null
              ? List.of()
              : patient.getValuesAsQueryTokens().stream().map(or -> List.copyOf(or.getValuesAsQueryTokens())).toList();
      return getStoredResources().stream()
          // Deleted ones leave a gap.
          .filter(Objects::nonNull)
          .filter(one -> all(tokens(id), one, (it, wanted) -> wanted.getValue().equals(it.getIdElement().getIdPart())))
          .filter(one -> all(patients, one, (it, wanted) -> wanted.getIdPart().equals(it.getSubject().getReferenceElement().getIdPart())))
          .filter(one -> all(tokens(code), one, (it, wanted) -> hasCode(it.getCode().getCoding(), wanted)))
          .filter(
              one ->
                  all(
                      tokens(category),
                      one,
                      (it, wanted) -> it.getCategory().stream().anyMatch(concept -> hasCode(concept.getCoding(), wanted))))
          .collect(Collectors.toList());
    }
  }

  public static void main(String[] arguments) throws Exception {
    FhirContext context = FhirContext.forR4();
    RestfulServer fhir = new RestfulServer(context);
    fhir.setResourceProviders(new Patients(context), new Observations(context));
    FifoMemoryPagingProvider pages = new FifoMemoryPagingProvider(100);
    pages.setDefaultPageSize(5);
    pages.setMaximumPageSize(100);
    fhir.setPagingProvider(pages);
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    ServletContextHandler handler = new ServletContextHandler();
    handler.addServlet(new ServletHolder(fhir), "/r4/*");
    server.setHandler(handler);
    server.start();
    System.out.println("http://127.0.0.1:" + connector.getLocalPort() + "/r4");
    server.join();
  }
}
