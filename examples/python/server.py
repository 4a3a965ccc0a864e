"""Usage: relevo run -l :8080 -- python3 examples/python/server.py"""
import os, signal, socket, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

draining = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet
    timeout = 5  # seconds without a request, after which a connection is closed

    def do_GET(self):
        body = "worker %s generation %s pid %d\n" % (os.getenv("RELEVO_SLOT"), os.getenv("RELEVO_GENERATION"), os.getpid())
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if draining.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


ThreadingHTTPServer.daemon_threads = False  # so that server_close waits for all connections
server = ThreadingHTTPServer(("", 8080), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=3)  # the master's; it listens already, and stays non-blocking
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
if os.getenv("NOTIFY_SOCKET"):
    address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", address)
server.serve_forever()  # ends after its last accept, so every connection has its thread by now
draining.set()
server.server_close()
