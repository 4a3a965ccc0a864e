// Package health decides from the answers of workers which of them fail, which one may
// leave for it, and what is to be told. It makes no request and knows no clock: package
// ask asks, the master does what is decided.
package health
