// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// fill gives every field under v, however deep, a value of its own that is not
// its zero value. A field of a kind it does not know ends the test: then the
// tests below do not know it either.
func fill(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, len(path), 0, time.UTC)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case v.Kind() == reflect.String:
		v.SetString(path)
	case v.CanInt():
		v.SetInt(int64(len(path)))
	default:
		t.Fatalf("%s: no value for a %s", path, v.Type())
	}
}

func fullRecord(t *testing.T) Record {
	t.Helper()
	var r Record
	fill(t, reflect.ValueOf(&r).Elem(), "Record")
	r.HighestGood = alpha1
	return r
}

// Every field is still there after the process has ended.
func TestRecordEveryFieldSurvives(t *testing.T) {
	dir := stateFolder(t)
	want := fullRecord(t)
	mustChange(t, mustOpenStore(t, dir), func(r *Record) { *r = want })
	if got := mustOpenStore(t, dir).Record(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// A copy shares nothing, not even a part of a part.
func TestRecordCloneSharesNothing(t *testing.T) {
	r := fullRecord(t)
	c := r.clone()
	if !reflect.DeepEqual(r, c) {
		t.Fatalf("%+v\nwant %+v", c, r)
	}
	sharesNothing(t, reflect.ValueOf(r), reflect.ValueOf(c), "Record")
}

func sharesNothing(t *testing.T, a, b reflect.Value, path string) {
	t.Helper()
	switch {
	case a.Type() == reflect.TypeFor[time.Time]():
	case a.Kind() == reflect.Pointer || a.Kind() == reflect.Slice:
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
		if a.Kind() == reflect.Pointer {
			sharesNothing(t, a.Elem(), b.Elem(), path)
			return
		}
		for i := range a.Len() {
			sharesNothing(t, a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case a.Kind() == reflect.Struct:
		for i := range a.NumField() {
			sharesNothing(t, a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)
		}
	}
}

func TestHolds(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		hold *Hold
		want bool
	}{
		"nobody":         {nil, false},
		"without an end": {&Hold{Reason: "demo"}, true},
		"until later":    {&Hold{Until: now.Add(time.Nanosecond)}, true},
		"until now":      {&Hold{Until: now}, false},
		"until before":   {&Hold{Until: now.Add(-time.Hour)}, false},
	} {
		if got := c.hold.Holds(now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
