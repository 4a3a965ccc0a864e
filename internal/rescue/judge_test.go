package rescue

import (
	"testing"
	"time"
)

// Each row is one look at a connection, and what has to follow from it.
func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	held, free, watched := course{held: true}, course{}, course{watched: true}
	stays := course{held: true, stays: true}
	tests := []struct {
		name   string
		course course
		look   look
		want   verdict
	}{
		{"free, an answer is on its way", free, look{unsent: 1, received: 10, sent: 10}, hold},
		{"held, an answer is on its way", held, look{unsent: 1, received: 10, sent: 10, sinceReceived: time.Hour,
			sinceSent: time.Hour}, wait},
		{"blocking, an answer is on its way", free, look{unsent: 1, received: 10, sent: 10, blocks: true}, wait},
		{"blocking, the same, and a thread waits", free, look{unsent: 1, received: 10, sent: 10, blocks: true, reads: true},
			hold},
		{"a request is being worked on", free, look{received: 10, sinceSent: 90 * ms, sinceReceived: 5 * ms}, hold},
		{"held, still worked on", held, look{received: 10, sent: 10, sinceSent: 900 * ms, sinceReceived: 500 * ms}, wait},
		{"held, the first request is worked on", held, look{received: 10, sinceSent: 900 * ms, sinceReceived: 900 * ms},
			wait},
		{"held, answered a moment ago", held, look{received: 10, sent: 10, sinceSent: 40 * ms, sinceReceived: 80 * ms}, wait},
		{"held, may pause between head and body", held, look{received: 10, sent: 10, sinceSent: 1900 * ms,
			sinceReceived: 2000 * ms}, wait},
		{"held, answered", held, look{received: 10, sent: 10, sinceSent: 2000 * ms, sinceReceived: 2010 * ms}, idle},
		{"held, and a worker that goes on with it", stays, look{received: 10, sent: 10, sinceSent: 60 * ms,
			sinceReceived: 80 * ms}, idle},
		{"held, request and answer in one tick, or answer and request", held,
			look{received: 10, sent: 10, sinceSent: 900 * ms, sinceReceived: 900 * ms, sinceAck: 900 * ms}, wait},
		{"the same, and the answer was acknowledged", held, look{received: 10, sent: 10, sinceSent: 2000 * ms,
			sinceReceived: 2000 * ms, sinceAck: 1900 * ms}, idle},
		{"the same, long ago", held, look{received: 10, sent: 10, sinceSent: 5 * time.Second, sinceReceived: 5 * time.Second,
			sinceAck: 5 * time.Second}, idle},
		{"the same, and a thread waits for the next request", held, look{received: 10, sent: 10, sinceSent: 60 * ms,
			sinceReceived: 60 * ms, sinceAck: 60 * ms, reads: true}, idle},
		{"held, nothing came yet", held, look{}, idle},
		{"held, the next request just came", held, look{unread: 9, begins: true, received: 19, sent: 10,
			sinceReceived: 5 * ms, sinceSent: 50 * ms}, wait},
		{"held, the next request is there", held, look{unread: 9, begins: true, received: 19, sent: 10,
			sinceReceived: 30 * ms, sinceSent: 50 * ms}, idle},
		{"held, in the middle of a request", held, look{unread: 9, received: 19, sent: 10, sinceReceived: 50 * ms,
			sinceSent: 90 * ms}, yield},
		{"free, in the middle of a request", free, look{unread: 9, received: 19, sent: 10}, wait},
		{"free, a request that the worker was woken for", free,
			look{unread: 9, begins: true, received: 9, sinceReceived: time.Hour}, wait},
		{"free, has just connected", free, look{sinceReceived: 40 * ms}, wait},
		{"free, has connected", free, look{sinceReceived: 50 * ms}, hold},
		{"watched, answered", watched, look{received: 9, sent: 9, sinceReceived: 510 * ms, sinceSent: 500 * ms}, idle},
		{"watched, may pause between head and body", watched, look{received: 9, sent: 9, sinceReceived: 500 * ms,
			sinceSent: 490 * ms}, wait},
		{"watched, a request that nobody has read", watched,
			look{unread: 9, begins: true, received: 9, sinceReceived: time.Hour}, wait},
		{"watched, has just connected", watched, look{sinceReceived: 400 * ms}, wait},
		{"watched, has connected and says nothing", watched, look{sinceReceived: 500 * ms}, idle},
		{"blocking, a request is being worked on", free, look{received: 9, sent: 9, sinceSent: 90 * ms, sinceReceived: 5 * ms,
			blocks: true}, wait},
		{"blocking, answered a moment ago", free, look{received: 9, sent: 9, sinceReceived: 50 * ms, sinceSent: 40 * ms,
			blocks: true}, wait},
		{"blocking, may wait for its turn between head and body", free, look{received: 9, sent: 9,
			sinceReceived: 1900 * ms, sinceSent: 1800 * ms, blocks: true}, wait},
		{"blocking, answered", free, look{received: 9, sent: 9, sinceReceived: 2100 * ms, sinceSent: 2000 * ms,
			blocks: true}, hold},
		{"a thread for each connection, and none waits in this one", free, look{received: 9, sent: 9,
			sinceReceived: 4900 * ms, sinceSent: 4800 * ms, sinceAck: 4800 * ms, blocks: true, threaded: true}, wait},
		{"the same, long ago", free, look{received: 9, sent: 9, sinceReceived: 6 * time.Second,
			sinceSent: 5 * time.Second, blocks: true, threaded: true}, hold},
		{"a thread for each connection, and it waits in this one", free, look{received: 9, sent: 9, blocks: true,
			sinceReceived: 90 * ms, sinceSent: 80 * ms, reads: true, threaded: true}, hold},
		{"held, the same", held, look{received: 9, sent: 9, blocks: true, sinceReceived: 90 * ms, sinceSent: 80 * ms,
			reads: true, threaded: true}, idle},
		{"blocking, a thread waits for the next request", free, look{received: 9, sent: 9, blocks: true, reads: true}, hold},
		{"blocking, a thread waits for the first request", free, look{blocks: true, reads: true}, hold},
		{"blocking, a thread waits, and was woken", free, look{unread: 9, begins: true, received: 9, sent: 9, blocks: true,
			reads: true}, wait},
		{"blocking, no thread has time for it", free, look{sinceReceived: 400 * ms, blocks: true}, wait},
		{"blocking, has connected and says nothing", free, look{sinceReceived: 500 * ms, blocks: true}, idle},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.course.judge(test.look); got != test.want {
				t.Errorf("verdict %d, want %d", got, test.want)
			}
		})
	}
}

func TestBeginsLikeRequest(t *testing.T) {
	for _, yes := range []string{"GET / HTTP/1.1", "G", "POST", "OPTIONS * ", "MKCALENDAR /"} {
		if !beginsLikeRequest([]byte(yes)) {
			t.Errorf("%q is refused", yes)
		}
	}
	for _, no := range []string{"", " GET", "get /", "\x16\x03\x01", "PRI * HTTP/2.0", "{\"a\":1}",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"} {
		if beginsLikeRequest([]byte(no)) {
			t.Errorf("%q passes", no)
		}
	}
}
