// Package sleeper puts a pool to sleep that has no clients, and wakes it when one comes. Package
// sleep decides when.
//
// While the pool is awake it looks from time to time, and is told of a client between two looks
// as far as the kernel shows it: a connection that a worker accepts at once may go unnoticed.
// While the pool sleeps there is no timer: the kernel tells when something waits at a listener.
// The client stays there until a worker accepts it.
package sleeper
