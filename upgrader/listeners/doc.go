// Package listeners gives each worker a listening socket of its own.
//
// A Group is the sockets of one TCP address. They share it by SO_REUSEPORT, and a
// classic BPF program, which Program assembles, tells the kernel which of them takes
// a new connection. The first member is the common socket, which the master opened;
// every other one is a seat, held by one worker at a time. The group owns the seats:
// a seat outlives its worker, and with it the connections that nobody has accepted.
//
// The kernel knows the members by their index, in the order in which they called
// listen(2); where one leaves, the last takes its place. So seats are closed from the
// end only, and the order is asked of the kernel (Heal).
package listeners
