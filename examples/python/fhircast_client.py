"""A FHIRcast 3.0.0 subscriber in one file, for Python 3.11 or newer, without dependencies.

    client = FhircastClient(hub_url, topic, token, "My viewer", ["Patient-open", "Patient-close"], show)
    client.run()          # until client.stop() is called

`show(event)` is called with each event that is to be followed, as a dict. It returns when the application shows the new
context; the Hub is then told 200. It raises `Refuse("a report is not signed")` when the application cannot follow now.

Started as a program it prints what it follows. It takes FHIRCAST_HUB_URL, FHIRCAST_TOPIC and FHIRCAST_TOKEN from the environment.
"""

import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timezone

ANSWER_WITHIN = 10  # seconds; the Hub reports who takes longer (FHIRcast 3.0.0, 2.5)
RETRY_AFTER = (1, 2, 5, 10)  # seconds between attempts to connect, the last one again and again


class Refuse(Exception):
    """Raised by the application when it cannot follow an event; the text is for people."""


class HubError(Exception):
    """The Hub refused a request. `status` is its HTTP status."""

    def __init__(self, status, reason):
        super().__init__(f"{status}: {reason}")
        self.status = status


class Ended(Exception):
    """The connection ended. `code` is the WebSocket close code, 1006 where there was none."""

    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


def moment(timestamp):
    """The time that a timestamp names: as text, `…:05.5Z` is less than `…:05Z`. One without a zone is UTC (2.5). None if it is no time."""
    try:
        time_ = datetime.fromisoformat(timestamp)
    except (TypeError, ValueError):
        return None
    return time_ if time_.tzinfo else time_.replace(tzinfo=timezone.utc)


class WebSocket:
    """The client's side of RFC 6455: text messages, pings and a closing handshake."""

    def __init__(self, url, timeout=30):
        parts = urllib.parse.urlsplit(url)
        secure = parts.scheme == "wss"
        port = parts.port or (443 if secure else 80)
        self._socket = socket.create_connection((parts.hostname, port), timeout)
        if secure:
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=parts.hostname)
        self._read = self._socket.makefile("rb")
        self._lock = threading.Lock()
        key = base64.b64encode(os.urandom(16)).decode()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._socket.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        status = self._read.readline().split()
        headers = {}
        while (line := self._read.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if len(status) < 2 or status[1] != b"101":
            raise HubError(int(status[1]) if len(status) > 1 else 0, "the endpoint refused the connection")
        guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        expected = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
        if headers.get("sec-websocket-accept") != expected:
            raise HubError(0, "the endpoint is no WebSocket")
        # A Hub that sends nothing for this long, not even a ping, is gone.
        self._socket.settimeout(90)

    def _frame(self, opcode, payload):
        mask = os.urandom(4)
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        elif length < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
        pad = mask * (length // 4 + 1)
        masked = (int.from_bytes(payload) ^ int.from_bytes(pad[:length])).to_bytes(length) if length else b""
        with self._lock:
            self._socket.sendall(head + mask + masked)

    def send(self, text):
        self._frame(0x1, text.encode())

    def _exactly(self, count):
        data = self._read.read(count)
        if data is None or len(data) < count:
            raise Ended(1006)
        return data

    def receive(self):
        """The next text message. Raises Ended when there is none any more."""
        message = b""
        while True:
            try:
                first, second = self._exactly(2)
                length = second & 0x7F
                if length == 126:
                    (length,) = struct.unpack("!H", self._exactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", self._exactly(8))
                payload = self._exactly(length)
            except (OSError, ValueError) as error:
                raise Ended(1006) from error
            opcode = first & 0x0F
            if opcode == 0x8:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                try:
                    self._frame(0x8, payload[:2])
                except OSError:
                    pass
                raise Ended(code)
            if opcode == 0x9:
                self._frame(0xA, payload)
            elif opcode in (0x0, 0x1, 0x2):
                message += payload
                if first & 0x80:
                    return message.decode()

    def close(self, code):
        try:
            self._frame(0x8, struct.pack("!H", code))
        except OSError:
            pass

    def abort(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()


class FhircastClient:
    """Keeps one application on a session's context."""

    def __init__(self, hub_url, topic, token, name, events, show, lease_seconds=7200, status=None):
        """
        hub_url, topic, token: from the SMART launch (`hub.url`, `hub.topic`, `access_token`)
        name: what others are told when this application does not follow (`subscriber.name`)
        events: names of events, such as "Patient-open"
        show: called with each event; see the module's text
        status: called with "following", "not followed: …", "connecting" or "ended: …", for the person who looks on
        """
        self.hub_url = hub_url.rstrip("/")
        self.topic = topic
        self.token = token
        self.name = name
        self.events = events
        self._show = show
        self._lease = lease_seconds
        self._status = status or (lambda _: None)
        self._endpoint = None
        self._socket = None
        self._stopping = threading.Event()
        self._seen = {}
        self._newest = None
        self._versions = {}
        self._renew_at = 0.0

    # Requests

    def _request(self, method, url, body=None, content_type=None):
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as error:
            raise HubError(error.code, error.read().decode(errors="replace")) from error
        return json.loads(text) if text else None

    def _form(self, mode, **more):
        fields = {
            "hub.channel.type": "websocket",
            "hub.mode": mode,
            "hub.topic": self.topic,
            "subscriber.name": self.name,
            **more,
        }
        body = urllib.parse.urlencode(fields).encode()
        return self._request("POST", self.hub_url, body, "application/x-www-form-urlencoded")

    def _subscribe(self):
        more = {"hub.events": ",".join(self.events), "hub.lease_seconds": str(self._lease)}
        if self._endpoint:
            more["hub.channel.endpoint"] = self._endpoint
        self._endpoint = self._form("subscribe", **more)["hub.channel.endpoint"]

    def publish(self, event, context, version_id=None):
        """Publishes an event (2.6). Returns its id; raises HubError when the Hub refuses it."""
        message = {
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "id": str(uuid.uuid4()),
            "event": {"hub.topic": self.topic, "hub.event": event, "context": context},
        }
        if version_id is not None:
            message["event"]["context.versionId"] = version_id
        self._request("POST", self.hub_url, json.dumps(message).encode(), "application/json")
        return message["id"]

    def current_context(self):
        """What the session is about now (2.9): `context.type` is empty where nothing is open."""
        return self._request("GET", f"{self.hub_url}/{urllib.parse.quote(self.topic)}")

    # Following

    def _answer(self, socket_, message, status):
        socket_.send(json.dumps({"id": message["id"], "status": status}))

    def _stale(self, name, timestamp):
        """An open that is older than the context must not replace it (2.3)."""
        opened = moment(timestamp)
        if not name.endswith("-open") or opened is None:
            return False
        if self._newest is not None and opened < self._newest:
            return True
        self._newest = opened
        return False

    def _missed_update(self, name, event):
        """Whether an update before this one did not come (2.10): then the content is to be read."""
        version = event.get("context.versionId")
        if version is None:
            return False
        anchor = name.rsplit("-", 1)[0]
        held = self._versions.get(anchor)
        self._versions[anchor] = version
        return name.endswith("-update") and held != event.get("context.priorVersionId")

    def _follow(self, socket_, message):
        event = message["event"]
        name = event["hub.event"].lower()
        if message["id"] in self._seen:
            return self._answer(socket_, message, self._seen[message["id"]])
        if self._stale(name, message.get("timestamp")):
            return self._answer(socket_, message, 200)
        if self._missed_update(name, event):
            event = {**event, "content": self.current_context()}
        began = time.monotonic()
        try:
            self._show({**message, "event": event})
            status = 200
            self._status("following")
        except Refuse as reason:
            status = 409
            self._status(f"not followed: {reason}")
        except Exception as error:  # The Hub has to be told, whatever went wrong here.
            status = 500
            self._status(f"not followed: {error}")
        if time.monotonic() - began > ANSWER_WITHIN:
            self._status("followed, but later than the Hub waits for an answer")
        self._seen[message["id"]] = status
        if len(self._seen) > 1000:
            del self._seen[next(iter(self._seen))]
        return self._answer(socket_, message, status)

    def _listen(self, socket_):
        while True:
            message = json.loads(socket_.receive())
            mode = message.get("hub.mode")
            if mode == "denied":
                self._endpoint = None
                if not self._stopping.is_set():
                    self._status(f"ended: {message.get('hub.reason', 'denied')}")
                socket_.close(1000)
            elif mode == "subscribe":
                lease = float(message.get("hub.lease_seconds") or self._lease)
                self._renew_at = time.monotonic() + lease * 0.8
                threading.Thread(target=self._renew, args=(socket_,), daemon=True).start()
            elif "event" in message and "id" in message:
                self._follow(socket_, message)

    def _renew(self, socket_):
        """Asks for a new lease before the present one ends (2.4)."""
        due = self._renew_at
        if self._stopping.wait(max(0.0, due - time.monotonic())):
            return
        # A later confirmation has begun another wait.
        if due == self._renew_at and socket_ is self._socket:
            try:
                self._subscribe()
            except (HubError, OSError) as error:
                self._status(f"the lease could not be renewed: {error}")

    def run(self):
        """Follows the session until `stop` is called."""
        attempt = 0
        while not self._stopping.is_set():
            self._status("connecting")
            try:
                if self._endpoint is None:
                    self._subscribe()
                self._socket = WebSocket(self._endpoint)
                attempt = 0
                self._listen(self._socket)
            except Ended as end:
                if end.code == 1000:
                    self._endpoint = None
            except HubError as error:
                # An endpoint that is over is not tried again; a new subscription is.
                self._endpoint = None
                self._status(f"refused: {error}")
            except OSError as error:
                self._status(f"not reachable: {error}")
            if self._socket:
                self._socket.abort()
            wait = RETRY_AFTER[min(attempt, len(RETRY_AFTER) - 1)]
            attempt += 1
            self._stopping.wait(wait)

    def stop(self):
        """Unsubscribes and closes with 1000 (2.4)."""
        self._stopping.set()
        if self._endpoint:
            try:
                self._form("unsubscribe", **{"hub.channel.endpoint": self._endpoint})
            except (HubError, OSError):
                pass
        if self._socket:
            self._socket.close(1000)


def main():
    shown = None

    def show(message):
        nonlocal shown
        event = message["event"]
        resources = [one["resource"] for one in event["context"] if "resource" in one]
        named = ", ".join(f"{one.get('resourceType')}/{one.get('id')}" for one in resources)
        print(f"{event['hub.event']}: {named or 'nothing'}", flush=True)
        name = event["hub.event"].lower()
        if name == "patient-open":
            shown = resources[0]["id"]
        elif name == "patient-close" and resources and resources[0].get("id") == shown:
            shown = ""
        state = os.environ.get("FHIRCAST_STATE_FILE")
        if state and shown is not None:
            with open(state, "w", encoding="utf-8") as file:
                file.write(shown)

    client = FhircastClient(
        os.environ["FHIRCAST_HUB_URL"],
        os.environ["FHIRCAST_TOPIC"],
        os.environ["FHIRCAST_TOKEN"],
        os.environ.get("FHIRCAST_NAME", "Python example"),
        os.environ.get("FHIRCAST_EVENTS", "Patient-open,Patient-close,SyncError").split(","),
        show,
        status=lambda text: print(f"[{text}]", file=sys.stderr, flush=True),
    )
    thread = threading.Thread(target=client.run, daemon=True)
    thread.start()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    client.stop()
    thread.join(5)


if __name__ == "__main__":
    main()
