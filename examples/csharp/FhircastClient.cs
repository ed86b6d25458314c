// A FHIRcast 3.0.0 subscriber in one file, for .NET 8 or newer, without dependencies.
//
//     await using var client = new FhircastClient(hubUrl, topic, token, "My viewer", ["Patient-open"], Show);
//     await client.RunAsync(cancellation);      // follows until it is cancelled, then unsubscribes
//
// Show gets each event that is to be followed. It returns when the application shows the new context; the Hub is then told 200.
// It throws Refused when the application cannot follow now.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;

/// <summary>Thrown by the application when it cannot follow an event; the message is for people.</summary>
public sealed class Refused(string reason) : Exception(reason);

/// <summary>The Hub refused a request with this HTTP status.</summary>
public sealed class HubException(int status, string reason) : Exception($"{status}: {reason}")
{
    public int Status => status;
}

/// <summary>Keeps one application on a session's context.</summary>
/// <param name="hubUrl">hub.url of the SMART launch</param>
/// <param name="topic">hub.topic of the SMART launch</param>
/// <param name="token">its access_token</param>
/// <param name="name">what others are told when this application does not follow (subscriber.name)</param>
/// <param name="events">names of events, such as Patient-open</param>
/// <param name="show">shows an event's context; after an update that was missed the event also has "content"</param>
/// <param name="status">told "following", "not followed: …", "connecting", "ended: …", for the person who looks on</param>
public sealed class FhircastClient(
    string hubUrl,
    string topic,
    string token,
    string name,
    IReadOnlyList<string> events,
    Func<JsonObject, Task> show,
    Action<string>? status = null) : IAsyncDisposable
{
    /// <summary>Seconds between attempts to connect, the last one again and again.</summary>
    private static readonly int[] RetryAfter = [1, 2, 5, 10];

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10) };
    private readonly Dictionary<string, int> _answered = [];
    private readonly Queue<string> _order = new();
    private readonly Dictionary<string, string> _versions = [];
    private readonly string _hubUrl = hubUrl.TrimEnd('/');
    private string? _endpoint;
    private DateTimeOffset _newest = DateTimeOffset.MinValue;

    private async Task<string> RequestAsync(HttpMethod method, string url, HttpContent? content, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, url) { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.Accept.ParseAdd("application/json");
        using var response = await _http.SendAsync(request, cancellation);
        var text = await response.Content.ReadAsStringAsync(cancellation);
        if (!response.IsSuccessStatusCode) throw new HubException((int)response.StatusCode, text);
        return text;
    }

    private async Task<JsonObject> FormAsync(string mode, Dictionary<string, string> more, CancellationToken cancellation)
    {
        var fields = new Dictionary<string, string>(more)
        {
            ["hub.channel.type"] = "websocket",
            ["hub.mode"] = mode,
            ["hub.topic"] = topic,
            ["subscriber.name"] = name,
        };
        var text = await RequestAsync(HttpMethod.Post, _hubUrl, new FormUrlEncodedContent(fields), cancellation);
        return JsonNode.Parse(text)!.AsObject();
    }

    private async Task SubscribeAsync(CancellationToken cancellation)
    {
        var more = new Dictionary<string, string> { ["hub.events"] = string.Join(',', events), ["hub.lease_seconds"] = "7200" };
        if (_endpoint is not null) more["hub.channel.endpoint"] = _endpoint;
        _endpoint = (string?)(await FormAsync("subscribe", more, cancellation))["hub.channel.endpoint"];
    }

    /// <summary>Publishes an event (2.6).</summary>
    /// <returns>the event's id</returns>
    /// <exception cref="HubException">the Hub refuses it</exception>
    public async Task<string> PublishAsync(string name, JsonArray context, string? versionId = null, CancellationToken cancellation = default)
    {
        var id = Guid.NewGuid().ToString();
        var inner = new JsonObject { ["hub.topic"] = topic, ["hub.event"] = name };
        if (versionId is not null) inner["context.versionId"] = versionId;
        inner["context"] = context;
        var message = new JsonObject
        {
            ["timestamp"] = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'"),
            ["id"] = id,
            ["event"] = inner,
        };
        var content = new StringContent(message.ToJsonString(), Encoding.UTF8, "application/json");
        await RequestAsync(HttpMethod.Post, _hubUrl, content, cancellation);
        return id;
    }

    /// <summary>What the session is about now (2.9): context.type is empty where nothing is open.</summary>
    public async Task<JsonObject> CurrentContextAsync(CancellationToken cancellation = default)
    {
        var url = $"{_hubUrl}/{Uri.EscapeDataString(topic)}";
        return JsonNode.Parse(await RequestAsync(HttpMethod.Get, url, null, cancellation))!.AsObject();
    }

    /// <summary>Follows the session until it is cancelled; then unsubscribes and closes with 1000 (2.4).</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        for (var attempt = 0; !cancellation.IsCancellationRequested; attempt++)
        {
            status?.Invoke("connecting");
            using var socket = new ClientWebSocket();
            try
            {
                if (_endpoint is null) await SubscribeAsync(cancellation);
                await socket.ConnectAsync(new Uri(_endpoint!), cancellation);
                attempt = 0;
                await ListenAsync(socket, cancellation);
                if (socket.CloseStatus == WebSocketCloseStatus.NormalClosure) _endpoint = null;
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                break;
            }
            catch (Exception error)
            {
                // An endpoint that cannot be reached may be over: a new subscription is not.
                _endpoint = null;
                status?.Invoke($"not connected: {error.Message}");
            }
            var wait = TimeSpan.FromSeconds(RetryAfter[Math.Min(attempt, RetryAfter.Length - 1)]);
            await Task.Delay(wait, cancellation).ContinueWith(_ => { }, CancellationToken.None);
        }
        await DisposeAsync();
    }

    /// <summary>Unsubscribes where there is a subscription.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_endpoint is not { } held) return;
        _endpoint = null;
        try
        {
            await FormAsync("unsubscribe", new() { ["hub.channel.endpoint"] = held }, CancellationToken.None);
        }
        catch (Exception error)
        {
            status?.Invoke($"the Hub did not take the end of the subscription: {error.Message}");
        }
    }

    private async Task ListenAsync(ClientWebSocket socket, CancellationToken cancellation)
    {
        using var renewal = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        while (await ReceiveAsync(socket, cancellation) is { } text)
        {
            if (JsonNode.Parse(text) is not JsonObject message) continue;
            switch ((string?)message["hub.mode"])
            {
                case "denied":
                    _endpoint = null;
                    status?.Invoke($"ended: {message["hub.reason"]}");
                    await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, cancellation);
                    return;
                case "subscribe":
                    var lease = double.TryParse(message["hub.lease_seconds"]?.ToString(), out var seconds) ? seconds : 7200;
                    _ = RenewAsync(TimeSpan.FromSeconds(lease * 0.8), renewal.Token);
                    break;
                default:
                    if (message["event"] is JsonObject && message["id"] is not null) await FollowAsync(socket, message, cancellation);
                    break;
            }
        }
        await renewal.CancelAsync();
    }

    /// <summary>Asks for a new lease before the present one ends (2.4); the confirmation begins the next wait.</summary>
    private async Task RenewAsync(TimeSpan wait, CancellationToken cancellation)
    {
        try
        {
            await Task.Delay(wait, cancellation);
            await SubscribeAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            // The connection ended first.
        }
        catch (Exception error)
        {
            status?.Invoke($"the lease could not be renewed: {error.Message}");
        }
    }

    private static async Task<string?> ReceiveAsync(ClientWebSocket socket, CancellationToken cancellation)
    {
        using var whole = new MemoryStream();
        var buffer = new byte[16384];
        while (true)
        {
            var part = await socket.ReceiveAsync(buffer, cancellation);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, cancellation);
                return null;
            }
            whole.Write(buffer, 0, part.Count);
            if (part.EndOfMessage) return Encoding.UTF8.GetString(whole.ToArray());
        }
    }

    private async Task FollowAsync(ClientWebSocket socket, JsonObject message, CancellationToken cancellation)
    {
        var id = message["id"]!.ToString();
        if (!_answered.TryGetValue(id, out var answer))
        {
            answer = await ShownAsync(message, cancellation);
            _answered[id] = answer;
            _order.Enqueue(id);
            if (_order.Count > 1000) _answered.Remove(_order.Dequeue());
        }
        var reply = new JsonObject { ["id"] = id, ["status"] = answer }.ToJsonString();
        await socket.SendAsync(Encoding.UTF8.GetBytes(reply), WebSocketMessageType.Text, true, cancellation);
    }

    private async Task<int> ShownAsync(JsonObject message, CancellationToken cancellation)
    {
        var inner = message["event"]!.AsObject();
        var kind = inner["hub.event"]!.ToString().ToLowerInvariant();
        if (kind.EndsWith("-open", StringComparison.Ordinal))
        {
            // An open that is older than the context must not replace it (2.3).
            // As text, "…:05.5Z" is less than "…:05Z". A time without a zone is UTC (2.5).
            var timestamp = message["timestamp"]?.ToString();
            if (DateTimeOffset.TryParse(timestamp, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var opened))
            {
                if (opened < _newest) return 200;
                _newest = opened;
            }
        }
        try
        {
            if (MissedUpdate(kind, inner)) inner["content"] = await CurrentContextAsync(cancellation);
            await show(message);
            status?.Invoke("following");
            return 200;
        }
        catch (Refused reason)
        {
            status?.Invoke($"not followed: {reason.Message}");
            return 409;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            // The Hub has to be told, whatever went wrong here.
            status?.Invoke($"not followed: {error.Message}");
            return 500;
        }
    }

    /// <summary>Whether an update before this one did not come (2.10): then the content is to be read.</summary>
    private bool MissedUpdate(string kind, JsonObject inner)
    {
        if (inner["context.versionId"]?.ToString() is not { } version) return false;
        var anchor = kind[..kind.LastIndexOf('-')];
        _versions.TryGetValue(anchor, out var held);
        _versions[anchor] = version;
        return kind.EndsWith("-update", StringComparison.Ordinal) && inner["context.priorVersionId"]?.ToString() != held;
    }
}
