"""receiver.py takes messages from `outboxworker consume`, and prints what it answers."""
import base64, hmac, http.server, json, os, sys

SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
seen, done = set(), set()  # a real service writes done into its database, with the effect


def answer(key, order):
    first = key not in seen
    seen.add(key)
    if key in done:
        return 204  # delivered twice: it has had its effect
    if order["quantity"] < 1:
        return 422  # never to be right: dead at once
    if first and order["item"] == "lamp":
        return 500  # went wrong: counted, and tried again
    if first and order["item"] == "desk":
        return 409  # another request has it: not counted, again soon
    done.add(key)
    return 204


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = f'{self.headers["Webhook-Id"]}.{self.headers["Webhook-Timestamp"]}.'.encode() + body
        want = "v1," + base64.b64encode(hmac.digest(SECRET, signed, "sha256")).decode()
        given = self.headers.get("Webhook-Signature", "").split()
        status = 401  # a wrong secret is wrong for every message: nothing is counted
        if any(hmac.compare_digest(want, signature) for signature in given):
            order = json.loads(body)
            status = answer(self.headers["Idempotency-Key"], order)
            print(f"{order['item']} {status}\n", end="", flush=True)  # one piece, as other threads print too
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
