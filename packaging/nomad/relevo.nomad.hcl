# An app that relevo runs as PID 1 of its containers. docs/nomad.md explains each number;
# tests hold the file to the types of Nomad's own API, and to that page.
job "shop" {
  type = "service"

  group "shop" {
    count          = 3
    shutdown_delay = "5s" # from leaving the catalogue of services to the signal

    update {
      canary           = 3 # as many as count: new ones are up before an old one goes
      max_parallel     = 3
      health_check     = "checks"
      min_healthy_time = "5s"
      auto_promote     = true
      auto_revert      = true
    }

    network {
      port "http" {
        to = 8080
      }
      port "relevo" {
        to = 9100
      }
    }

    service {
      name     = "shop"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        port     = "relevo"
        path     = "/readyz"
        interval = "2s"
        timeout  = "1s"
      }
    }

    task "shop" {
      driver       = "docker"
      kill_signal  = "SIGTERM"
      kill_timeout = "30s" # drain_timeout 27 s + stop_grace 1 s + 2 s to spare

      env {
        RELEVO_DRAIN_TIMEOUT = "27s"
      }

      config {
        image           = "registry.example.com/shop:1.0"
        ports           = ["http", "relevo"]
        entrypoint      = ["/relevo"]
        args            = ["run", "-n", "2", "-l", ":8080", "--metrics", "0.0.0.0:9100", "--", "/app"]
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      resources {
        cpu    = 1000
        memory = 256
      }
    }
  }
}
