package pool

// What the tests have to know.
const (
	SubscriberBuffer = subscriberBuffer
	SubscribersBytes = subscribersBytes
	NeverReady       = neverReady
)
