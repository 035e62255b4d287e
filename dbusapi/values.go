// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"math"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// dict is a{sv}.
type dict = map[string]dbus.Variant

// maxTextBytes bounds each text that is put on the bus.
const maxTextBytes = 1024

// text is s as the bus accepts it: valid UTF-8, no NUL, and not too long.
func text(s string) string {
	if len(s) > maxTextBytes {
		s = s[:maxTextBytes]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// texts is a list of texts as the bus accepts them; never nil, and not list
// itself.
func texts(list []string) []string {
	cut := make([]string, len(list))
	for i, s := range list {
		cut[i] = text(s)
	}
	return cut
}

// decodeTexts is v if it is a list of texts. The library's own conversion would
// make texts of numbers.
func decodeTexts(v any) ([]string, bool) {
	list, ok := v.([]string)
	return list, ok
}

// count is n as the unsigned number the bus has for bytes; never negative.
func count(n int64) uint64 {
	return uint64(max(n, 0))
}

// whole is the opposite of count.
func whole(n uint64) int64 {
	return int64(min(n, math.MaxInt64))
}

// micros is t in microseconds since the epoch; 0 stands for never.
func micros(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return count(t.UnixMicro())
}

// fromMicros is the opposite of micros.
func fromMicros(us uint64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(whole(us))
}

// entry is the value of key in d, or zero when it is missing or of another
// type: a newer service may say more than this program knows.
func entry[T any](d dict, key string) T {
	value, _ := d[key].Value().(T)
	return value
}
