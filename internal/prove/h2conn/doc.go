// Package h2conn is one HTTP/2 connection of a load: it sends requests as streams, and returns the
// result of each. It sends nothing twice. net/http's client would send a stream that a GOAWAY has
// refused again on another connection, and so hide what has to be counted.
//
// A stream is answered when its header and its end have arrived. Otherwise its error says why:
//
//   - ErrUnprocessed: the server has said that it has not processed the stream, RFC 9113 §6.8 and
//     §8.7: by a GOAWAY whose last stream is an earlier one, or by REFUSED_STREAM. It may be sent
//     again without risk.
//   - A ClosedError, which wraps io.EOF or the error of the socket: the connection ended. After a
//     GOAWAY only streams that the GOAWAY has promised to finish get this error.
//   - A ResetError: RST_STREAM with another code. It is syscall.ECONNRESET to errors.Is.
//   - os.ErrDeadlineExceeded: no answer in time.
//
// ErrTakesNone means that nothing was sent, because the connection takes no more streams. A
// connection closes itself when it has received a GOAWAY and has no open stream.
package h2conn
