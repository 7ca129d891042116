"""The wallets of the settings: opened to sign with, watched for their funds, and shown."""
