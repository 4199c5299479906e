package initiator

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/tgt"
)

// tgtDisk logs in to a tgtd of the test's own and opens a disk in a file.
func tgtDisk(t *testing.T, settings map[string]string, blockSize int, change func(*Config)) (*tgt.Daemon, *Session, *Disk, string) {
	t.Helper()
	return tgtDiskOf(t, settings, tgt.LUN{BlockSize: blockSize}, change)
}

// tgtDiskOf is tgtDisk for a LUN with parameters.
func tgtDiskOf(t *testing.T, settings map[string]string, lun tgt.LUN, change func(*Config)) (*tgt.Daemon, *Session, *Disk, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("tgtd needs root")
	}
	if _, err := os.Stat("/usr/sbin/tgtd"); err != nil {
		t.Skip("no /usr/sbin/tgtd: install tgt")
	}
	d, err := tgt.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	target, err := d.AddTarget("iqn.2026-11.org.example:real", settings)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	lun.Path = path
	n, err := target.AddLUN(lun)
	if err != nil {
		t.Fatal(err)
	}
	cfg := *testConfig()
	cfg.TargetName, cfg.Portals, cfg.ReplacementTimeout = target.IQN, []string{d.Portal()}, 2*soon
	change(&cfg)
	s, err := Login(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	disk, err := s.OpenDisk(timeout(t), scsi.PeripheralLUN(uint8(n)))
	if err != nil {
		t.Fatal(err)
	}
	return d, s, disk, path
}

// TestTgtTransfers: what was agreed on with a real target holds for every length
// of access; the file behind the LUN shows it.
func TestTgtTransfers(t *testing.T) {
	for name, c := range map[string]struct {
		settings  map[string]string
		blockSize int
		change    func(*Config)
	}{
		"defaults":    {nil, 512, func(*Config) {}},
		"unsolicited": {map[string]string{"InitialR2T": "No", "MaxOutstandingR2T": "4"}, 512, func(*Config) {}},
		"small":       {map[string]string{"ImmediateData": "No", "MaxBurstLength": "4096", "FirstBurstLength": "1024", "MaxRecvDataSegmentLength": "1024"}, 512, func(*Config) {}},
		"digests":     {map[string]string{"InitialR2T": "No", "HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}, 4096, func(c *Config) { c.HeaderDigest, c.DataDigest = DigestCRC32C, DigestCRC32C }},
	} {
		t.Run(name, func(t *testing.T) {
			_, s, disk, path := tgtDisk(t, c.settings, c.blockSize, c.change)
			luns, err := s.LUNs(timeout(t))
			if err != nil || len(luns) != 2 { // tgt's controller is LUN 0
				t.Errorf("LUNs %v, %v", luns, err)
			}
			for i, n := range []int{4096, 65536, 69632, 1 << 20, 3<<20 + 4096} {
				off, data := int64(i)<<12, pattern(uint64(i), n)
				if _, err := disk.WriteAt(timeout(t), data, off); err != nil {
					t.Fatal(err)
				}
				if err := disk.Sync(timeout(t)); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, n)
				if _, err := disk.ReadAt(timeout(t), got, off); err != nil {
					t.Fatal(err)
				}
				same(t, "what is read back", got, data)
				file, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "the file", file[off:off+int64(n)], data)
			}
			if err := s.Logout(timeout(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTgtPowerFailure: tgtd dies under load and comes back; no access fails and
// every byte is right.
func TestTgtPowerFailure(t *testing.T) {
	d, s, disk, path := tgtDisk(t, map[string]string{"InitialR2T": "No"}, 512, func(c *Config) { c.ReplacementTimeout = -1 })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	var done []<-chan error
	for part := range 4 {
		done = append(done, async(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if err := churn(ctx, disk, part, 5); err != nil {
					return err
				}
				// churn begins with a model of zeroes.
				if _, err := disk.WriteAt(ctx, make([]byte, 1<<20), int64(part)<<20); err != nil {
					return err
				}
			}
		}))
	}
	d.Kill()
	await(t, "recovering", func() bool { return s.Status().State == Recovering })
	if err := d.Restart(); err != nil {
		t.Fatal(err)
	}
	await(t, "reconnect", func() bool { st := s.Status(); return st.State == LoggedIn && st.Reconnects == 1 })
	close(stop)
	for _, c := range done {
		if err := result(t, c); err != nil {
			t.Error(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes.Trim(file[:4<<20], "\x00")) != 0 {
		t.Error("the file is not what was written last")
	}
}

// TestTgtReset: a real target takes a LOGICAL UNIT RESET under load, ends what it
// had, and reports it; no access fails and every byte is right.
func TestTgtReset(t *testing.T) {
	_, s, disk, _ := tgtDisk(t, nil, 512, func(*Config) {})
	ctx := timeout(t)
	var done []<-chan error
	for part := range 4 {
		done = append(done, async(func() error { return churn(ctx, disk, part, 200) }))
	}
	for range 5 {
		epoch := disk.Epoch()
		if err := disk.Reset(ctx); err != nil {
			t.Fatal(err)
		}
		if disk.Epoch() == epoch {
			t.Error("the epoch is the same")
		}
		if _, err := disk.ReadAt(ctx, make([]byte, 512), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range done {
		if err := result(t, c); err != nil {
			t.Error(err)
		}
	}
	if n := s.Status().Reconnects; n != 0 {
		t.Errorf("%d reconnects: %v", n, s.Status().Reason)
	}
}

// TestTgtAbort: callers of a real target that give up get their memory back.
func TestTgtAbort(t *testing.T) {
	_, s, disk, _ := tgtDisk(t, map[string]string{"ImmediateData": "No"}, 512, func(*Config) {})
	for i := range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%40)*25*time.Microsecond)
		disk.WriteAt(ctx, pattern(1, 64<<10), int64(i%16)<<16)
		cancel()
	}
	data := pattern(2, 1<<20)
	if _, err := disk.WriteAt(timeout(t), data, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data))
	if _, err := disk.ReadAt(timeout(t), got, 0); err != nil {
		t.Fatal(err)
	}
	same(t, "what is read back", got, data)
	if n := s.Status().Reconnects; n != 0 {
		t.Errorf("%d reconnects: %v", n, s.Status().Reason)
	}
}
