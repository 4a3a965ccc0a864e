package upgrader

// TakenWithin is how long to wait for a signal that no thread has taken.
const TakenWithin = takenWithin
