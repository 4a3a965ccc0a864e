// Package local is what an agent does on its own machine: it fetches releases and checks them, puts them in
// place, and has the app's master roll. What it is about to do stands in a file first, so that the next agent
// can finish or undo what a killed one has begun.
package local
