// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseOSReleaseFiles(t *testing.T) {
	for file, want := range map[string]map[string]string{
		"os-release.clipos":    {"ID": "clipos-efiboot", "VERSION_ID": "5.0.0-beta.3", "NAME": "CLIP OS", "ANSI_COLOR": "0;34"},
		"os-release.debian-12": {"ID": "debian", "VERSION_ID": "12", "VERSION": "12 (bookworm)", "HOME_URL": "https://www.debian.org/"},
	} {
		got, err := ParseOSRelease(readFile(t, filepath.Join("testdata", file)))
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %s is %q", file, key, got[key])
			}
		}
	}
}

func TestParseOSRelease(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
	}{
		{"empty", "", nil},
		{"comments and blank lines", "# x\n\n  \t\n \t# y=1\nA=1\n#B=2", map[string]string{"A": "1"}},
		{"no line break at the end", "A=1", map[string]string{"A": "1"}},
		{"blanks around", " \tA=1 \t\nB=\"2\" \n", map[string]string{"A": "1", "B": "2"}},
		{"empty values", "A=\nB=\"\"\nC=''", map[string]string{"A": "", "B": "", "C": ""}},
		{"double quotes", `A="x 'y' \"z\" \$a \` + "`" + ` \\ \n #"`, map[string]string{"A": "x 'y' \"z\" $a ` \\ \\n #"}},
		{"single quotes", `A='x "y" $z \ ` + "`" + `'`, map[string]string{"A": "x \"y\" $z \\ `"}},
		{"bare", `A=5.0.0-beta.3+x_y~z#\"=\\é`, map[string]string{"A": `5.0.0-beta.3+x_y~z#"=\é`}},
		{"the last of several", "A=1\nA=2\n", map[string]string{"A": "2"}},
		{"keys", "a_B2=1\n_=2\n", map[string]string{"a_B2": "1", "_": "2"}},
		{"tab inside", "A=\"x\ty\"", map[string]string{"A": "x\ty"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseOSRelease([]byte(test.text))
			if err != nil || !maps.Equal(got, test.want) {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestParseOSReleaseErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no assignment", "A=1\nhello\n", `line 2: "hello" is not an assignment`},
		{"blank before =", "A =1", `line 1: "A =1" is not an assignment`},
		{"blank behind =", "A= 1", `line 1: A: ' ' must be quoted`},
		{"no key", "=1", `line 1: "=1" is not an assignment`},
		{"key with a digit first", "1A=1", `line 1: "1A=1" is not an assignment`},
		{"byte order mark", "\ufeffA=1", `line 1: "\ufeffA=1" is not an assignment`},
		{"export", "export A=1", `line 1: "export A=1" is not an assignment`},
		{"two words", "A=1 2", `line 1: A: ' ' must be quoted`},
		{"command behind", "A=1;rm", `line 1: A: ';' must be quoted`},
		{"expansion", "A=$B", `line 1: A: '$' must be quoted`},
		{"expansion in quotes", `A="$B"`, `line 1: A: '$' must be quoted`},
		{"command in quotes", "A=\"`B`\"", "line 1: A: '`' must be quoted"},
		{"not closed", `A="1`, `line 1: A: quotes are not closed`},
		{"closed by an escaped quote", `A="1\"`, `line 1: A: quotes are not closed`},
		{"not closed, single", "A='1\n'", `line 1: A: quotes are not closed`},
		{"lone quote", `A="`, `line 1: A: quotes are not closed`},
		{"several quoted strings", `A="1"'2'`, `line 1: A: "'2'" behind the closing quotes`},
		{"quote inside a word", `A=1"2"`, `line 1: A: '"' must be quoted`},
		{"backslash at the end", `A=1\`, `line 1: A: ends with a backslash`},
		{"backslash at the end in quotes", `A="1\`, `line 1: A: ends with a backslash`},
		{"NUL", "A=1\x00\n", `line 1: control character '\x00'`},
		{"NUL in a comment", "#\x00\n", `line 1: control character '\x00'`},
		{"CR", "A=\"1\r2\"", `line 1: control character '\r'`},
		{"CR LF", "A=1\r\n", `line 1: control character '\r'`},
		{"escape sequence", "A=\"\x1b[31m\"", `line 1: control character '\x1b'`},
		{"not UTF-8", "A=1\nB=\"\xff\"", `line 2: not UTF-8`},
		{"long", "A=1\n" + strings.Repeat("#", maxTextBytes), "65540 bytes, at most 65536 are allowed"},
		{"long line is cut", strings.Repeat("a", 1000), `line 1: "` + strings.Repeat("a", 40) + `" is not an assignment`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseOSRelease([]byte(test.text))
			if err == nil || err.Error() != test.want {
				t.Errorf("%q, %v; want %s", got, err, test.want)
			}
		})
	}
}

// What is accepted means to a shell what it means to us.
func TestParseOSReleaseAsShell(t *testing.T) {
	for _, value := range []string{
		`1`, `"a b"`, `'a b'`, `"\$x \" \\ \x"`, `'\$x "'`, `a\ b\"c\'d\\e\$f`, `"it's"`, `5.0.0~beta.1`, `"#"`, `x#y`, `a=b`, `""`,
	} {
		fields, err := ParseOSRelease([]byte("A=" + value))
		if err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command("/bin/sh", "-c", "A="+value+"\nprintf %s \"$A\"").Output()
		if err != nil || string(output) != fields["A"] {
			t.Errorf("%s: %q, %v; the shell has %q", value, fields["A"], err, output)
		}
	}
}

func TestLoaderFields(t *testing.T) {
	text := " \tA=\"1 2\" \r\nB='3'\rC==\"4\n#D=5\n E =6\nF=\"\nG=\nA\nH=7\x00I=8"
	want := map[string]string{"A": "1 2", "B": "'3'", "C": "\"4", "E ": "6", "F": "", "G": "", "H": "7"}
	if got := loaderFields([]byte(text)); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzParseOSRelease(f *testing.F) {
	for _, file := range []string{"os-release.clipos", "os-release.debian-12"} {
		f.Add(readFile(f, filepath.Join("testdata", file)))
	}
	f.Add([]byte(`A="x \"y\" \$z"` + "\nB='q'\nC=a\\ b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		loaderFields(data)
		fields, err := ParseOSRelease(data)
		if err != nil {
			return
		}
		// Written once more, the same values come back.
		var text strings.Builder
		for key, value := range fields {
			if strings.ContainsAny(value, "\x00\r\n") {
				t.Errorf("%s: %q", key, value)
			}
			text.WriteString(key + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(value) + "\"\n")
		}
		if text.Len() > maxTextBytes {
			return
		}
		again, err := ParseOSRelease([]byte(text.String()))
		if err != nil || !maps.Equal(again, fields) {
			t.Errorf("%q, %v; want %q", again, err, fields)
		}
	})
}
