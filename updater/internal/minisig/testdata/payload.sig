untrusted comment: signature from minisign secret key
RUQOSaVezbxSdGm9rRN+ctGuagRoHJxwvd4+eu4JVjwPwnlM/7gJkUYdtL9atSsKZhgVAYTP1fVgRBf1JfKOL+X999JD6A8l9AU=
trusted comment: 5.0.0-alpha.3
+a/fPu4Xnn+r2la8r/v9BnxnG2tR83TcD2Qut6Glb4LZIAjk7Hvr8+7l2koR1tcOvKy8D2+MisdIHrM5DeALBQ==
