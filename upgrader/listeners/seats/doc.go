// Package seats gives each worker a listening socket of its own.
//
// A Group is the sockets of one TCP address. They share it by SO_REUSEPORT, and a classic
// BPF program, which Program assembles, tells the kernel which of them takes a new
// connection. The first member is the common socket, which the master opened; every other
// one is a seat, held by one worker at a time. The group owns the seats: a seat outlives
// its worker, and so do the connections in it that were not accepted yet.
//
// The kernel knows the members by their index, in the order in which they called
// listen(2). When one leaves, the last one takes its index. So seats are closed only from
// the end, and Heal asks the kernel for the order.
package seats
