// Package alarm waits for a time of the day. A timer of Go counts seconds since it was set:
// it comes too late if the machine slept, and at the wrong time if the clock was set. This one
// follows the clock, and does not wake the process before its time.
//
// On Linux that is timerfd_create(2) with CLOCK_REALTIME and TFD_TIMER_CANCEL_ON_SET. Elsewhere
// the clock is looked at once a minute.
package alarm
