package pool

// What the tests have to know.
const (
	SubscriberBuffer = subscriberBuffer
	MessagesBuffer   = subscriberBuffer * messagesOf / 4
	SubscribersBytes = subscribersBytes
	NeverReady       = neverReady
)
