// Package h2conn is one HTTP/2 connection of a load: it sends requests as streams, and says of each
// what became of it. It sends nothing twice. net/http's client does: it sends a stream again that a
// GOAWAY has refused, on another connection, and so hides what is to be counted.
//
// A stream is answered when its header and its end have arrived. Otherwise its error says why:
//
//   - ErrUnprocessed: the server has said that it has not processed the stream, RFC 9113 §6.8 and
//     §8.7: by a GOAWAY whose last stream is an earlier one, or by REFUSED_STREAM. It may be sent
//     again without risk.
//   - A ClosedError, which wraps io.EOF or the error of the socket: the connection ended. After a
//     GOAWAY this meets only streams that the GOAWAY has promised to finish.
//   - A ResetError: RST_STREAM with another code. It is syscall.ECONNRESET to errors.Is.
//   - os.ErrDeadlineExceeded: no answer in time.
//
// ErrTakesNone is no result of a stream: nothing was sent, because the connection takes no more
// streams. A connection closes itself when it has got a GOAWAY and has no stream left.
package h2conn
