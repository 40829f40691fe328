"""The exchanges: what they are like (``traits``), the protocol an adapter fulfils (``base``), one package for each."""
