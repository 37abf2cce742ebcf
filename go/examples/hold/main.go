// SPDX-License-Identifier: MIT OR Apache-2.0

// Command hold holds a lease, and prints what happens to it, until standard input ends or the
// lease is over.
//
//	hold [-path SOCKET] [-queues N] IFNAME
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"xskclient"
)

func main() {
	path := flag.String("path", xskclient.SocketPath, "the helper's socket")
	queues := flag.Uint("queues", 1, "how many queues")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(64)
	}
	if err := hold(*path, xskclient.Request{Ifname: flag.Arg(0), Queues: uint32(*queues)}); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

func hold(path string, request xskclient.Request) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lease, err := xskclient.Acquire(ctx, path, request)
	if err != nil {
		return err
	}
	defer lease.Release()
	granted := lease.Granted
	fmt.Printf("ready: lease %d, %s, %d sockets, %s mode\n", granted.Lease, granted.Ifname, len(lease.Sockets), granted.Mode)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	for {
		event, err := lease.News(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, xskclient.ErrEnded):
			fmt.Println("the lease is over")
			return nil
		case err != nil:
			return err
		}
		fmt.Println(event.Text)
	}
}
