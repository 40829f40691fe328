"""Bitget v2, classic futures: USDT-, COIN- and USDC-FUTURES."""
