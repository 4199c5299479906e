// Package target is an iSCSI target, as described in RFC 7143, made for
// testing initiators: strict, so that it names the rule an initiator breaks,
// and scriptable, so that it misbehaves on request as no real target can be
// told to. The demo of iscsifs runs against it too.
//
// It shares with the initiator the layouts of package pdu and nothing else:
// CDBs are decoded and data is encoded here, from the standards, so that the
// two cannot share a misreading of SCSI.
//
//	t, err := target.New(target.Config{
//		IQN:  "iqn.2026-11.org.example:disks",
//		LUNs: []*target.LUN{target.NewMemoryLUN(64<<20, 512)},
//	})
//	err = t.Start("127.0.0.1:0")
//	defer t.Close()
//
// # Goroutines and locks
//
// One goroutine accepts, and each connection has two: a reader, which also
// executes commands, and a writer, which empties the connection's outbox. Close
// waits for all of them. Target.mu guards every session, connection state and
// task; a LUN has a lock of its own for its medium and its unit attentions.
// Order: Target.mu, then LUN.mu, then the small ones (outbox, script, record).
// Nothing waits for the network, a gate or a timer while it holds a lock.
//
// # The way of a command
//
//	reader → OnReceive rules → session.receive → CmdSN order → task: data
//	  → OnExecute rules → LUN → outbox → OnSend rules → writer
//
// # Script
//
// A rule joins a [Match] with an [Action] at one of these three stages:
//
//	gate := target.NewGate()
//	rule := t.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.Hold(gate))
//	…
//	gate.Release()
//	rule.Remove()
package target
