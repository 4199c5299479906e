package main

import (
	"context"
	"errors"
	"time"

	"github.com/iscsifs/iscsifs/integration/proxy"
)

// farDelay is how long data takes each way where the target is far.
const farDelay = 5 * time.Millisecond

// stand is the servers of one LUN, side by side, and the proxy before them if
// the LUN is to be far.
type stand struct {
	lun     lun
	proxy   *proxy.Proxy // nil: none
	servers []server
}

// openStand starts iscsifs, qemu-storage-daemon and, where the LUN is near, the
// file in memory.
func openStand(ctx context.Context, o options, s *scene, far bool) (*stand, error) {
	st := &stand{lun: s.lun}
	if err := st.open(ctx, o, s.dir, far); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (st *stand) open(ctx context.Context, o options, dir string, far bool) error {
	if far {
		var err error
		if st.proxy, err = proxy.Start(st.lun.portal, proxy.Options{Delay: farDelay}); err != nil {
			return err
		}
		st.lun = st.lun.through(st.proxy.Addr())
	}
	m, err := startIscsifs(ctx, o.program, dir, st.lun)
	if err != nil {
		return err
	}
	st.servers = append(st.servers, m)
	q, err := startQemu(ctx, dir, st.lun)
	if err != nil {
		return err
	}
	st.servers = append(st.servers, q)
	if far { // memory is never far
		return nil
	}
	f, err := startMemory(ctx, dir, st.lun.size)
	if err != nil {
		return err
	}
	st.servers = append(st.servers, f)
	return nil
}

// close ends all of it.
func (st *stand) close() error {
	var errs []error
	for _, s := range st.servers {
		errs = append(errs, s.close())
	}
	if st.proxy != nil {
		st.proxy.Close()
	}
	return errors.Join(errs...)
}
