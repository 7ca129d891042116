"""Bodies of requests that change what there is: amendments and the cancel timer."""
