package pool

// What the tests need to know.
const (
	SubscriberBuffer = subscriberBuffer
	MessagesBuffer   = subscriberBuffer * messagesOf / 4
	SubscribersBytes = subscribersBytes
	NeverReady       = neverReady
)
