workers = 9
bind = "127.0.0.1:1"
timeout = 60
