bind = "127.0.0.1:8000"
daemon = True
pidfile = "/run/shop.pid"
workers = 2
timeout = 60
sendfile = False
preload_app = True
capture_output = False
raw_env = ["A={slot}", "B=2"]
secure_scheme_headers = {}


def on_exit(server):
    pass
