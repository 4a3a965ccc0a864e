// Package metrics shows apps to Prometheus: in its text format and in OpenMetrics
// (https://prometheus.io/docs/instrumenting/exposition_formats/,
// https://prometheus.io/docs/specs/om/open_metrics_spec/).
//
//	control.Status ─┐
//	                ├─► Of ─► []Family ─► Write
//	Reading ────────┘
//
// A status says what a master knows; a Reading is what the kernel says of its processes.
// Names and units follow https://prometheus.io/docs/practices/naming/. A value that is not
// known is left out.
//
// The formats are written here, and not by client_golang: that library initialises the types of
// protobuf when a program starts, which would make every command a quarter slower and every idle
// master half a megabyte larger. Tests read all that is written with Prometheus' own parser.
package metrics
