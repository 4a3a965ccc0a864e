// Package schedule says when workers are rolled by the clock: a line of cron's five fields
// in a time zone. It decides from times that it is given and starts nothing.
//
// A line means the clock on the wall. Times that it skips, because it is put forward, come at the
// moment of the change; times that it shows twice, because it is put back, come once. So
// "30 2 * * *" rolls once on every day.
//
// The fields are read by github.com/robfig/cron/v3.
package schedule
