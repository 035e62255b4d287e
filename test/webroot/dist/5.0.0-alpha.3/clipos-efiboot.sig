untrusted comment: signature from minisign secret key
RUSHTqOJgdj4g8r8c65+lYLUuwDH2TNOZiNppazTY76dumwvaIMklNdiCm7KrkrOuTl5nFPLWONt3Z5SDNK/4GZZDjpxrwkrpwk=
trusted comment: 5.0.0-alpha.3
35LWHAF7GFvtZaL/WW/LNrc4+1cunFz7fUkebAoSh0hEVhYkhc74Nx6ltTeDX+two9fPma6ENar+9L2YuW30BA==
