import multiprocessing
import os

bind = ["0.0.0.0:80", "unix:/run/shop.sock"]
workers = multiprocessing.cpu_count() * 0 + 5
worker_class = "gthread"
threads = 4
timeout = 60
graceful_timeout = 45
keepalive = 5
user = "www-data"
group = 33
preload_app = True
max_requests = 1000
reload = True
accesslog = "-"
raw_env = ["DB=main"]
worker = 3
wsgi_app = "shop.wsgi:application"
proc_name = "shop web"
logconfig_dict = {"version": 1}


def post_fork(server, worker):
    pass


def helper():
    pass
