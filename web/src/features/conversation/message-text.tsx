import { memo } from 'react'
import { tokens } from '@/shared/text/tokens'

/** The body, inert: text and links, never markup. Each line finds its own direction. */
export const MessageText = memo(function MessageText({ body }: { body: string }) {
  let at = 0
  return (
    <p dir="auto" className="whitespace-pre-wrap [unicode-bidi:plaintext]">
      {tokens(body).map((token) => {
        const key = at
        at += token.text.length
        if (token.kind === 'text') return token.text
        return (
          <a
            key={key}
            href={token.href}
            target="_blank"
            rel="noopener noreferrer nofollow"
            className="text-link underline underline-offset-2"
          >
            {token.text}
          </a>
        )
      })}
    </p>
  )
})
