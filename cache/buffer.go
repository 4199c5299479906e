package cache

import (
	"math/bits"
	"sync"
	"unsafe"
)

// Buffers are pooled in classes of powers of two.
const (
	minBufferBits = 9  // 512 bytes
	maxBufferBits = 21 // 2 MiB; longer ones are left to the garbage collector
)

// bufferPools holds pointers to the first byte of buffers: a pointer goes into
// an interface without an allocation, a slice does not.
var bufferPools [maxBufferBits - minBufferBits + 1]sync.Pool

// bufferClass returns the class of the smallest buffers that hold n bytes; it
// may lie beyond the pools.
func bufferClass(n int) int {
	return max(bits.Len(uint(n-1)), minBufferBits) - minBufferBits
}

// getBuffer returns n bytes, n > 0, of undefined content.
func getBuffer(n int) []byte {
	class := bufferClass(n)
	if class >= len(bufferPools) {
		return make([]byte, n)
	}
	size := 1 << (class + minBufferBits)
	if first, ok := bufferPools[class].Get().(*byte); ok {
		return unsafe.Slice(first, size)[:n]
	}
	return make([]byte, size)[:n]
}

// putBuffer takes back what getBuffer returned, and nothing else.
func putBuffer(b []byte) {
	if class := bufferClass(cap(b)); class < len(bufferPools) {
		bufferPools[class].Put(unsafe.SliceData(b))
	}
}
