package pool

// Access for the tests.
const (
	SubscriberBuffer = subscriberBuffer
	MessagesBuffer   = subscriberBuffer * messagesOf / 4
	SubscribersBytes = subscribersBytes
	NeverReady       = neverReady
)
