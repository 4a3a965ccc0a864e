// Package agent is a machine's part in a fleet: it is present while etcd hears of it, reports what its apps
// run, and does its turns. What that means on the machine is behind the interface App, so that the same agent
// runs in simulations. Without etcd it changes nothing; the apps keep serving, because they do not need it.
package agent
