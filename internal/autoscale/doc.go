// Package autoscale decides how many workers the load needs. It reads no clock, makes no
// request and starts nothing: package scaler looks, and does what is decided.
//
//	Sample ─► need: by what waits, the processors used, what the workers say ─► Decision
//
// The number grows when three looks in a row, a quarter of a second apart, show that workers
// are missing; by as many as all three show, but at most to twice as many at a time. It grows
// again when those serve. It shrinks by one when fewer were needed for a minute, and never
// below what was needed in the last ten minutes. The use at which it grows is above the one at
// which it shrinks, so a constant load settles at one number.
package autoscale
