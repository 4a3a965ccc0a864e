// Package schedule says when workers are rolled by the clock: a line of cron's five fields
// in a time zone. It decides from times that it is given and starts nothing.
//
// A line speaks of the clock on the wall. When that is put forward, times that it leaves out
// come at the moment of the change; when it is put back, times that it shows twice come once.
// So "30 2 * * *" rolls once on every day.
//
// The fields are read by github.com/robfig/cron/v3.
package schedule
