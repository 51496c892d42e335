//go:build !linux

// Package sandbox runs a program in namespaces of its own, which only Linux has.
package sandbox

import (
	"context"
	"errors"
)

var errNoLinux = errors.New("a node needs Linux")

const (
	State = ""
	First = "first"
)

func PID() string                         { return "" }
func CgroupRoot() string                  { return "" }
func Available() error                    { return errNoLinux }
func Run(context.Context, []string) error { return errNoLinux }
func Enter(string, []string) (int, error) { return 0, errNoLinux }
func CheckFolder(string) error            { return errNoLinux }
