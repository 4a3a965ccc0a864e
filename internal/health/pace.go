package health

import "time"

// Pause is the time between two questions to one worker. It is less than the interval by
// a part of the timeout: a worker that hangs right after a good answer is found within
// interval × failures, although its last answer is waited for as long as the timeout says.
func Pause(interval, timeout time.Duration, failures int) time.Duration {
	return max(interval-timeout/time.Duration(max(failures, 1)), timeout, interval/2)
}
