package pool

// What the tests have to know.
const (
	SubscriberBuffer = subscriberBuffer
	NeverReady       = neverReady
)
