package main

func (r *result) plot(dir, name string) error { return nil }
