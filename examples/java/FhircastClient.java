import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/**
 * A FHIRcast 3.0.0 subscriber in one file, for Java 17 or newer, without dependencies.
 *
 * <pre>
 * var client = new FhircastClient(hubUrl, topic, token, "My viewer", List.of("Patient-open"), event -> show(event));
 * client.start();    // follows in the background, until client.stop()
 * </pre>
 *
 * The handler gets each event that is to be followed, as maps and lists. It returns when the application shows the new context; the
 * Hub is then told 200. It throws {@link Refused} when the application cannot follow now.
 *
 * <p>Started as a program ({@code java FhircastClient.java}) it prints what it follows. It takes FHIRCAST_HUB_URL, FHIRCAST_TOPIC and
 * FHIRCAST_TOKEN from the environment.
 */
public final class FhircastClient {
  /** Thrown by the application when it cannot follow an event; the message is for people. */
  public static final class Refused extends Exception {
    public Refused(String reason) {
      super(reason);
    }
  }

  /** The Hub refused a request. */
  public static final class HubException extends IOException {
    /** HTTP status. */
    public final int status;

    HubException(int status, String reason) {
      super(status + ": " + reason);
      this.status = status;
    }
  }

  /** What the application does with an event. */
  public interface Handler {
    /**
     * Shows the event's context.
     *
     * @param message the whole notification: {@code id}, {@code timestamp}, {@code event}; after an update that was missed the event
     *     also has {@code content}, the answer of {@link #currentContext}
     */
    void show(Map<String, Object> message) throws Refused;
  }

  /** Seconds between attempts to connect, the last one again and again. */
  private static final int[] RETRY_AFTER = {1, 2, 5, 10};

  private final String hubUrl;
  private final String topic;
  private final String token;
  private final String name;
  private final List<String> events;
  private final Handler handler;
  private final Consumer<String> status;
  private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
  private final ExecutorService following = Executors.newSingleThreadExecutor(FhircastClient::daemon);
  private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(FhircastClient::daemon);
  private final Map<String, Integer> answered = new LinkedHashMap<>();
  private final Map<String, String> versions = new LinkedHashMap<>();
  private Instant newest = Instant.MIN;
  private volatile String endpoint;
  private volatile WebSocket socket;
  /** Done when the socket's other side has closed it too, or it is lost. */
  private volatile CompletableFuture<Void> gone = CompletableFuture.completedFuture(null);
  private volatile boolean stopping;
  private ScheduledFuture<?> renewal;
  private int attempt;

  /**
   * @param hubUrl {@code hub.url} of the SMART launch
   * @param topic {@code hub.topic} of the SMART launch
   * @param token its {@code access_token}
   * @param name what others are told when this application does not follow ({@code subscriber.name})
   * @param events names of events, such as {@code Patient-open}
   * @param status told "following", "not followed: …", "connecting", "ended: …", for the person who looks on
   */
  public FhircastClient(
      String hubUrl,
      String topic,
      String token,
      String name,
      List<String> events,
      Handler handler,
      Consumer<String> status) {
    this.hubUrl = hubUrl.replaceAll("/+$", "");
    this.topic = topic;
    this.token = token;
    this.name = name;
    this.events = List.copyOf(events);
    this.handler = handler;
    this.status = status;
  }

  private static Thread daemon(Runnable job) {
    Thread thread = new Thread(job, "fhircast");
    thread.setDaemon(true);
    return thread;
  }

  /** Follows the session in the background until {@link #stop}. */
  public void start() {
    following.execute(this::connect);
  }

  /** Unsubscribes and closes with 1000 (2.4). */
  public void stop() {
    stopping = true;
    String held = endpoint;
    WebSocket open = socket;
    if (held != null) {
      try {
        form("unsubscribe", Map.of("hub.channel.endpoint", held));
      } catch (IOException error) {
        status.accept("the Hub did not take the end of the subscription: " + error.getMessage());
      }
    }
    if (open != null) {
      try {
        // It fails where it is closing already. A program that ends before the other side has closed may take the frame back.
        open.sendClose(1000, "").exceptionally(closing -> open).thenCombine(gone, (sent, done) -> done).get(5, TimeUnit.SECONDS);
      } catch (Exception late) {
        open.abort();
      }
    }
  }

  // Requests

  private String request(String method, String url, String body, String contentType) throws IOException {
    var builder =
        HttpRequest.newBuilder(URI.create(url))
            .timeout(Duration.ofSeconds(10))
            .header("Authorization", "Bearer " + token)
            .header("Accept", "application/json");
    if (contentType != null) builder.header("Content-Type", contentType);
    var publisher =
        body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body);
    try {
      var response = http.send(builder.method(method, publisher).build(), HttpResponse.BodyHandlers.ofString());
      if (response.statusCode() / 100 != 2) throw new HubException(response.statusCode(), response.body());
      return response.body();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IOException(interrupted);
    }
  }

  private Map<String, Object> form(String mode, Map<String, String> more) throws IOException {
    var fields = new LinkedHashMap<String, String>();
    fields.put("hub.channel.type", "websocket");
    fields.put("hub.mode", mode);
    fields.put("hub.topic", topic);
    fields.put("subscriber.name", name);
    fields.putAll(more);
    var body = new StringBuilder();
    fields.forEach(
        (key, value) -> {
          if (body.length() > 0) body.append('&');
          body.append(encoded(key)).append('=').append(encoded(value));
        });
    return object(Json.read(request("POST", hubUrl, body.toString(), "application/x-www-form-urlencoded")));
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  private void subscribe() throws IOException {
    var more = new LinkedHashMap<String, String>();
    more.put("hub.events", String.join(",", events));
    more.put("hub.lease_seconds", "7200");
    if (endpoint != null) more.put("hub.channel.endpoint", endpoint);
    endpoint = String.valueOf(form("subscribe", more).get("hub.channel.endpoint"));
  }

  /**
   * Publishes an event (2.6).
   *
   * @param context a list of maps, as in the specification
   * @param versionId {@code context.versionId} for updates, else null
   * @return the event's id
   * @throws HubException when the Hub refuses it
   */
  public String publish(String event, List<Map<String, Object>> context, String versionId) throws IOException {
    String id = UUID.randomUUID().toString();
    var inner = new LinkedHashMap<String, Object>();
    inner.put("hub.topic", topic);
    inner.put("hub.event", event);
    if (versionId != null) inner.put("context.versionId", versionId);
    inner.put("context", context);
    var message = new LinkedHashMap<String, Object>();
    message.put("timestamp", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
    message.put("id", id);
    message.put("event", inner);
    request("POST", hubUrl, Json.write(message), "application/json");
    return id;
  }

  /** What the session is about now (2.9): {@code context.type} is empty where nothing is open. */
  public Map<String, Object> currentContext() throws IOException {
    return object(Json.read(request("GET", hubUrl + "/" + encoded(topic), null, null)));
  }

  // Following

  private void connect() {
    if (stopping) return;
    status.accept("connecting");
    try {
      if (endpoint == null) subscribe();
      http.newWebSocketBuilder().buildAsync(URI.create(endpoint), new Listener()).join();
      attempt = 0;
    } catch (HubException refused) {
      endpoint = null;
      again("refused: " + refused.getMessage());
    } catch (Exception error) {
      // An endpoint that cannot be reached may be over: a new subscription is not.
      endpoint = null;
      again("not reachable: " + error.getMessage());
    }
  }

  private void again(String why) {
    if (stopping) return;
    status.accept(why);
    int wait = RETRY_AFTER[Math.min(attempt++, RETRY_AFTER.length - 1)];
    timer.schedule(() -> following.execute(this::connect), wait, TimeUnit.SECONDS);
  }

  /** Reads whole messages and hands them to the one thread that follows. */
  private final class Listener implements WebSocket.Listener {
    private final StringBuilder parts = new StringBuilder();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private boolean over;

    @Override
    public void onOpen(WebSocket opened) {
      socket = opened;
      gone = closed;
      opened.request(1);
    }

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
      parts.append(data);
      if (!last) {
        from.request(1);
        return null;
      }
      String text = parts.toString();
      parts.setLength(0);
      // The next message is asked for only when this one was followed: their order is kept, and memory is bounded.
      return CompletableFuture.runAsync(() -> received(from, text), following).whenComplete((done, error) -> from.request(1));
    }

    @Override
    public CompletionStage<?> onClose(WebSocket from, int code, String reason) {
      closed.complete(null);
      if (code == 1000) endpoint = null;
      ended("closed with " + code);
      return null;
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
      closed.complete(null);
      ended("connection lost: " + error.getMessage());
    }

    private synchronized void ended(String why) {
      if (over) return;
      over = true;
      again(why);
    }

    private void received(WebSocket from, String text) {
      Map<String, Object> message = object(Json.read(text));
      Object mode = message.get("hub.mode");
      if ("denied".equals(mode)) {
        endpoint = null;
        from.sendClose(1000, "");
        ended("ended: " + message.getOrDefault("hub.reason", "denied"));
      } else if ("subscribe".equals(mode)) {
        renewBefore(message.get("hub.lease_seconds"));
      } else if (message.get("event") instanceof Map && message.get("id") != null) {
        follow(from, message);
      }
    }
  }

  /** Asks for a new lease before the present one ends (2.4). */
  private synchronized void renewBefore(Object leaseSeconds) {
    if (renewal != null) renewal.cancel(false);
    double lease = leaseSeconds == null ? 7200 : Double.parseDouble(String.valueOf(leaseSeconds));
    Runnable renew =
        () -> {
          try {
            subscribe();
          } catch (IOException error) {
            status.accept("the lease could not be renewed: " + error.getMessage());
          }
        };
    renewal = timer.schedule(() -> following.execute(renew), (long) (lease * 800), TimeUnit.MILLISECONDS);
  }

  private void follow(WebSocket from, Map<String, Object> message) {
    String id = String.valueOf(message.get("id"));
    Integer before = answered.get(id);
    int answer = before != null ? before : shown(message);
    answered.put(id, answer);
    if (answered.size() > 1000) answered.remove(answered.keySet().iterator().next());
    var reply = new LinkedHashMap<String, Object>();
    reply.put("id", id);
    reply.put("status", answer);
    from.sendText(Json.write(reply), true).join();
  }

  private int shown(Map<String, Object> message) {
    Map<String, Object> event = object(message.get("event"));
    String kind = String.valueOf(event.get("hub.event")).toLowerCase();
    if (kind.endsWith("-open")) {
      // An open that is older than the context must not replace it (2.3).
      Instant opened = momentOf(String.valueOf(message.get("timestamp")));
      if (opened != null && opened.isBefore(newest)) return 200;
      if (opened != null) newest = opened;
    }
    try {
      if (missedUpdate(kind, event)) event.put("content", currentContext());
      handler.show(message);
      status.accept("following");
      return 200;
    } catch (Refused refused) {
      status.accept("not followed: " + refused.getMessage());
      return 409;
    } catch (Exception error) {
      // The Hub has to be told, whatever went wrong here.
      status.accept("not followed: " + error);
      return 500;
    }
  }

  /**
   * The time that a timestamp names: as text, {@code …:05.5Z} is less than {@code …:05Z}. One without a zone is UTC (2.5); null if it
   * is no time.
   */
  private static Instant momentOf(String timestamp) {
    try {
      return Instant.parse(timestamp);
    } catch (DateTimeParseException noZone) {
      try {
        return LocalDateTime.parse(timestamp).toInstant(ZoneOffset.UTC);
      } catch (DateTimeParseException noTime) {
        return null;
      }
    }
  }

  /** Whether an update before this one did not come (2.10): then the content is to be read. */
  private boolean missedUpdate(String kind, Map<String, Object> event) {
    Object version = event.get("context.versionId");
    if (version == null) return false;
    String held = versions.put(kind.substring(0, kind.lastIndexOf('-')), version.toString());
    return kind.endsWith("-update") && !String.valueOf(event.get("context.priorVersionId")).equals(held);
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> object(Object value) {
    return value instanceof Map ? (Map<String, Object>) value : new LinkedHashMap<>();
  }

  /** Reads and writes JSON as maps, lists, strings, numbers, booleans and null. Numbers keep their text ({@link Num}). */
  static final class Json {
    /** A number as it was written: 7.10 stays 7.10. */
    record Num(String text) {
      @Override
      public String toString() {
        return text;
      }
    }

    private final String text;
    private int at;

    private Json(String text) {
      this.text = text;
    }

    static Object read(String text) {
      var reader = new Json(text);
      Object value = reader.value(0);
      reader.space();
      if (reader.at != text.length()) throw reader.wrong();
      return value;
    }

    private IllegalArgumentException wrong() {
      return new IllegalArgumentException("no JSON at " + at);
    }

    private void space() {
      while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private char next() {
      if (at >= text.length()) throw wrong();
      return text.charAt(at++);
    }

    private boolean skip(char wanted) {
      space();
      if (at >= text.length() || text.charAt(at) != wanted) return false;
      at++;
      return true;
    }

    private Object value(int depth) {
      if (depth > 200) throw wrong();
      space();
      if (at >= text.length()) throw wrong();
      char first = text.charAt(at);
      if (first == '{') return members(depth);
      if (first == '[') return elements(depth);
      if (first == '"') return string();
      int from = at;
      while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) at++;
      String word = text.substring(from, at);
      switch (word) {
        case "true":
          return true;
        case "false":
          return false;
        case "null":
          return null;
        default:
          if (!word.matches("-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?")) throw wrong();
          return new Num(word);
      }
    }

    private Map<String, Object> members(int depth) {
      at++;
      var map = new LinkedHashMap<String, Object>();
      if (skip('}')) return map;
      do {
        space();
        String key = string();
        if (!skip(':')) throw wrong();
        map.put(key, value(depth + 1));
      } while (skip(','));
      if (!skip('}')) throw wrong();
      return map;
    }

    private List<Object> elements(int depth) {
      at++;
      var list = new ArrayList<Object>();
      if (skip(']')) return list;
      do list.add(value(depth + 1));
      while (skip(','));
      if (!skip(']')) throw wrong();
      return list;
    }

    private String string() {
      if (next() != '"') throw wrong();
      var out = new StringBuilder();
      for (char one = next(); one != '"'; one = next()) {
        if (one != '\\') {
          out.append(one);
          continue;
        }
        char escaped = next();
        int plain = "bfnrt".indexOf(escaped);
        if (plain >= 0) out.append("\b\f\n\r\t".charAt(plain));
        else if (escaped == 'u') {
          out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
          at += 4;
        } else out.append(escaped);
      }
      return out.toString();
    }

    static String write(Object value) {
      if (value instanceof Map<?, ?> map) {
        var parts = new ArrayList<String>();
        map.forEach((key, member) -> parts.add(quoted(String.valueOf(key)) + ":" + write(member)));
        return "{" + String.join(",", parts) + "}";
      }
      if (value instanceof List<?> list) return "[" + String.join(",", list.stream().map(Json::write).toList()) + "]";
      if (value instanceof String string) return quoted(string);
      return String.valueOf(value);
    }

    private static String quoted(String text) {
      var out = new StringBuilder("\"");
      for (char one : text.toCharArray()) {
        if (one == '"' || one == '\\') out.append('\\').append(one);
        else if (one < ' ') out.append(String.format("\\u%04x", (int) one));
        else out.append(one);
      }
      return out.append('"').toString();
    }
  }

  private static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  /** Prints what it follows until it is told to end. */
  public static void main(String[] arguments) throws Exception {
    var shown = new AtomicReference<String>();
    Handler print =
        message -> {
          Map<String, Object> event = object(message.get("event"));
          var named = new ArrayList<String>();
          String first = null;
          for (Object element : (List<?>) event.get("context")) {
            Map<String, Object> resource = object(object(element).get("resource"));
            if (resource.isEmpty()) continue;
            named.add(resource.get("resourceType") + "/" + resource.get("id"));
            if (first == null) first = String.valueOf(resource.get("id"));
          }
          System.out.println(event.get("hub.event") + ": " + (named.isEmpty() ? "nothing" : String.join(", ", named)));
          String name = String.valueOf(event.get("hub.event"));
          if ("patient-open".equalsIgnoreCase(name)) shown.set(first);
          else if ("patient-close".equalsIgnoreCase(name) && first != null && first.equals(shown.get())) shown.set("");
          String state = System.getenv("FHIRCAST_STATE_FILE");
          if (state == null || shown.get() == null) return;
          try {
            Files.writeString(Path.of(state), shown.get());
          } catch (IOException error) {
            throw new Refused("the state cannot be written: " + error.getMessage());
          }
        };
    var client =
        new FhircastClient(
            System.getenv("FHIRCAST_HUB_URL"),
            System.getenv("FHIRCAST_TOPIC"),
            System.getenv("FHIRCAST_TOKEN"),
            setting("FHIRCAST_NAME", "Java example"),
            List.of(setting("FHIRCAST_EVENTS", "Patient-open,Patient-close,SyncError").split(",")),
            print,
            text -> System.err.println("[" + text + "]"));
    Runtime.getRuntime().addShutdownHook(new Thread(client::stop));
    client.start();
    new CountDownLatch(1).await();
  }
}
