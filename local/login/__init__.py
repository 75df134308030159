"""Signing in: login.microsoftonline.com as far as msal asks, and the tokens that it hands out."""
