package master

import (
	"relevo/internal/announce"
	"relevo/internal/metrics"
	"relevo/internal/metrics/exporter"
)

// exporter serves the metrics if the configuration has an address for them.
func (m *Master) exporter() exporter.Exporter {
	return exporter.Exporter{
		Log: m.log, Handler: metrics.Routes(m.Status), Changed: m.changed.Wait,
		Address: func() string { return m.app().Metrics },
		Place:   &m.metrics,
		Warn:    func(text string) { m.announcer.Warnings.Set(announce.MetricsWarning, text) },
	}
}
