/** Writes times as the reader's clock and language have them. Without scripts they stay in UTC. */
const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
for (const time of document.querySelectorAll('time[datetime]'))
  time.textContent = format.format(new Date(time.dateTime))
